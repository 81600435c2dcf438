(function(){
var by=function(id){return document.getElementById(id)},d=by("app").dataset,f=by("silent"),popup=null,done=false,late;
function goOn(){done=true;clearTimeout(late);if(d.goOn)location.replace(d.goOn);else location.reload()}
function ask(){if(!done){by("wait").hidden=true;by("ask").hidden=false}}
function soon(ms){clearTimeout(late);late=setTimeout(ask,ms)}
function silent(){by("wait").hidden=false;by("ask").hidden=true;f.hidden=true;f.src=d.silent;soon(8000)}
f.addEventListener("load",function(){
var page;
try{page=f.contentWindow.location.href==="about:blank"?null:f.contentDocument}catch(e){page=undefined}
if(done||page===null)return;
if(!page)soon(1000);
else if(page.getElementById("signed-in"))goOn();
else{clearTimeout(late);by("app").hidden=true;f.hidden=false}
});
by("window").addEventListener("click",function(e){
popup=open(this.href,"_blank","popup,width=520,height=720");
if(!popup)return;
e.preventDefault();
var watch=setInterval(function(){if(popup.closed){clearInterval(watch);setTimeout(function(){if(!done)silent()},1500)}},300)
});
addEventListener("message",function(e){
if(done||e.origin!==location.origin||!popup||e.source!==popup||typeof e.data!=="string")return;
fetch(d.handover,{method:"POST",body:e.data}).then(function(r){if(r.ok)goOn();else silent()},silent)
});
silent()
})()
